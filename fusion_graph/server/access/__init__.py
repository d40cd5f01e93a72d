"""Who may ask, and how much: hosts and origins, API keys, limits of each key."""
