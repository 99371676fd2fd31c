"""The report of a study: figures as files, and one page that holds everything."""
