"""Opening artifacts, and the models and tables in use."""
