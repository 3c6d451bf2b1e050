"""Where are runs kept?"""
