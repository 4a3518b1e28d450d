"""Whether a vulnerability is known of any package that the project's locks name; and where secrets are looked for."""
