"""Controllers that learn by REINFORCE: architecture search and device placement, and what ties them to Go."""
