"""The `jelou` command, one file per noun."""
