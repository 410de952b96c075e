"""What every web port of the application has: bounds on connections, bytes and time; tokens; who may be reached."""
