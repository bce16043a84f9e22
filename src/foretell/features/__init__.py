"""Feature sets: expressions that turn a raw record into model inputs."""
