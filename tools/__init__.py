"""Programs for those who work on Tidemill; nothing here is installed with it."""
