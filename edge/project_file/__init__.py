"""The project file `jelou.json`, part by part: positions, reading, and what each key may hold."""
