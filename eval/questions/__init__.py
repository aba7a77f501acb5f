"""Questions with answers and places, made of a user's own documents."""
