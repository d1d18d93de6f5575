"""The methods callers see, one thin module a subject. They parse ids and attributes, call a service, return values."""
