"""Embeddings of pretrained networks from local files; `plugin` registers the featurizer, `commands` the command."""
