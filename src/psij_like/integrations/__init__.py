"""What lets workflow systems run their jobs here, a module for each; none is imported before somebody names it."""
