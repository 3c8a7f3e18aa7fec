// Signing out: the session ends here at once, then the browser goes where it ends at the provider too.

document.getElementById("sign-out").addEventListener("click", async () => {
  let place = "/login/ended";
  try {
    const answer = await fetch("/api/logout", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
    if (answer.ok) place = (await answer.json()).location;
  } finally {
    location.assign(place);
  }
});
