"""Recipes: named, versioned lists of steps and checks that make dataset versions."""
