"""Floor 3: the XML-RPC surface: method registry, dispatch, faults, wire format, generated reference."""
