"""Language models: one question a variable, all questions of a case in one packed row."""
