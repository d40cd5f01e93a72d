"""web_search: what searches there are, which one is used, and the tool around it."""
