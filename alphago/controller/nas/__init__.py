"""Neural architecture search. Knows no Go: it stands on the REINFORCE trainer alone."""
