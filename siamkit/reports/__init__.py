"""Pictures and pages, one file per verb."""
