"""Train cohorts: networks of several seeds as one program."""
