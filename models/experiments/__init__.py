"""Arms of an experiment, and what their rates say."""
