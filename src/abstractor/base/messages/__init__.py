"""What is said to a user when something cannot go on: errors and their texts. No number depends on a wording."""
