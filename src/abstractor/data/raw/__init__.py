"""Cases as they come from outside: read, checked, put in place."""
