"""Artifact stores and their endpoints."""
