"""The colours and fonts of the page."""

import gradio as gr


def make_theme() -> gr.themes.Base:
    """Colours whose contrast is at least 4.5 to 1, light and dark, edges of controls of 3 to 1, and fonts that no browser waits for."""
    fonts, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    theme = gr.themes.Soft(primary_hue="orange", secondary_hue="orange", neutral_hue="slate", font=fonts, font_mono=mono)
    return theme.set(
        body_background_fill="*neutral_50",
        block_border_width="1px",
        input_border_width="1px",
        input_border_color="*neutral_500",
        input_border_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_color_hover="*neutral_500",
        checkbox_border_color_hover_dark="*neutral_400",
        checkbox_border_color_selected="white",
        checkbox_border_color_selected_dark="white",
        checkbox_label_border_color="*neutral_500",
        checkbox_label_border_color_dark="*neutral_400",
        button_secondary_border_color="*neutral_500",
        button_secondary_border_color_dark="*neutral_400",
        button_secondary_border_color_hover="*neutral_600",
        button_secondary_border_color_hover_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_100",
        block_label_background_fill_dark="*neutral_700",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_background_fill_dark="*neutral_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
