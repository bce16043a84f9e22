"""What an extension author imports: routes, tasks, resources and more of a team's own."""
