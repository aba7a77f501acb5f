"""Values in a text: numbers with units, dates, times of day, words."""
