"""The folders there are, and the files behind documents.

sources       the folders of the settings and those registered, as connectors
originals     the file behind a document, for whoever may read it now
pages         pages of PDF documents as pictures
uploads       files that come in over HTTP
upload_names  their names, as ones that can stand in a folder
"""
