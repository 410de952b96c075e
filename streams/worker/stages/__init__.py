"""The stages of the pipeline, one class each; ``registry`` lists them by role."""
