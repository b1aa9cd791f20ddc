"""What is done with Nova's models, one file an area, by Nova's names. All of it runs with an administrator's rights."""
