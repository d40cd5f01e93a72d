"""web_fetch: the way to a public page, and what is made of it."""
