"""The report of a pipeline: one HTML file that needs nothing else, figures and boards inside."""
