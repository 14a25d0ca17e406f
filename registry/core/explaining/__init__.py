"""Why a model answered as it did: methods of attribution, pure, told what the model said."""
