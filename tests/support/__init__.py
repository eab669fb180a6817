"""What tests of several packages stand on. A helper that one package alone needs stays in that package."""
