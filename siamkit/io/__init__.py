"""Files in and out: samples, tables, arrays, the microphone."""
