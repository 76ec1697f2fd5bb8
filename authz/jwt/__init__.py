"""JSON Web Tokens: reading and verifying them, and the keys and discovery documents of issuers."""
