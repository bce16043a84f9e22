"""The edge, problem details, scope-checked routes, OpenAPI. Knows no area."""
