"""Following: conversations, people, and answers to oneself; told on the page, by mail and by push."""
