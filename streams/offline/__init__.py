"""What runs without a worker: replay, building, evaluation, importing, local servers."""
