"""Which nodes there are, which of them live, and what they tell each other."""
