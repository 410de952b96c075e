"""How a query is answered: plans, experiments, and what handlers know of the deployment."""
