"""What administrators may do: the control API of the component, and ad-hoc commands (XEP-0050)."""
