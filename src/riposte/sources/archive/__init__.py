"""The exchange's public archive: what lies in it, how its files are fetched, read and stored."""
