"""A process that serves: stages, their metrics and pages."""
