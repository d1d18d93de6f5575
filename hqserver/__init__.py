"""The farm's server: keeps jobs in SQLite, hands runnable work to clients, answers HQueue's XML-RPC API."""
