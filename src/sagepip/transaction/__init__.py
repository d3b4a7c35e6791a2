"""Plan, journal, commit and recovery of changes to a site, under its lock."""
