"""Pull requests that are looked at: real Git, real registry, forges that listen."""
