"""The application: recipes that train the models of the zoo. The zoo does not know them."""
