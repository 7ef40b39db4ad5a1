"""From a source to vectors: regions, crops, batches, resumable runs."""
