"""How jobs come in and go out as documents: specifications, agendas, imports and exports."""
