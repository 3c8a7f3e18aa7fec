"""What an administrator and a data-protection officer ask for. Stands on the flows and the stores."""
